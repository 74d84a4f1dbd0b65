/** A high double tone for yes, a low long one for no. Browsers allow sound after the first tap or key. */

let context = null;

/** @param {"good" | "bad" | "warn"} colour */
export function play(colour) {
  navigator.vibrate?.(colour === "good" ? 80 : [200, 80, 200]);
  if (!("AudioContext" in globalThis)) return;
  context ??= new AudioContext();
  context.resume().catch(() => {});
  if (colour === "good") {
    tone(880, 0, 0.09);
    tone(1320, 0.11, 0.12);
  } else if (colour === "warn") {
    tone(660, 0, 0.12);
    tone(660, 0.18, 0.12);
  } else {
    tone(165, 0, 0.5);
  }
}

function tone(hertz, after_s, for_s) {
  const begin = context.currentTime + after_s;
  const [oscillator, volume] = [context.createOscillator(), context.createGain()];
  oscillator.frequency.value = hertz;
  oscillator.type = hertz < 400 ? "square" : "sine";
  volume.gain.setValueAtTime(0.25, begin);
  volume.gain.exponentialRampToValueAtTime(0.001, begin + for_s);
  oscillator.connect(volume).connect(context.destination);
  oscillator.start(begin);
  oscillator.stop(begin + for_s);
}
