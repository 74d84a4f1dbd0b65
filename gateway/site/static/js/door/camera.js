/** Codes from the camera, where the browser has BarcodeDetector. */

const EVERY_MS = 120;
/** The same code is not reported again while it stays in the picture, and so long after. */
const AGAIN_MS = 3000;

/** Whether this browser can scan. */
export async function canScan() {
  if (!("BarcodeDetector" in globalThis) || !navigator.mediaDevices?.getUserMedia) return false;
  try {
    return (await BarcodeDetector.getSupportedFormats()).includes("qr_code");
  } catch {
    return false;
  }
}

/** Shows the camera in a video and reports each code once. */
export class Camera {
  #video;
  #report;
  #stream = null;
  #timer = 0;
  #last = { code: "", at: -Infinity };

  constructor(video, report) {
    this.#video = video;
    this.#report = report;
  }

  /** @throws {DOMException} without a camera or the permission */
  async open() {
    this.#stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    this.#video.srcObject = this.#stream;
    await this.#video.play();
    const detector = new BarcodeDetector({ formats: ["qr_code"] });
    const look = async () => {
      if (this.#stream === null) return;
      const found = await detector.detect(this.#video).catch(() => []);
      if (found.length > 0) this.#found(found[0].rawValue);
      this.#timer = setTimeout(look, EVERY_MS);
    };
    look();
  }

  #found(code) {
    const now = performance.now();
    const again = code === this.#last.code && now - this.#last.at < AGAIN_MS;
    this.#last = { code, at: now };
    if (!again) this.#report(code);
  }

  close() {
    clearTimeout(this.#timer);
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = this.#video.srcObject = null;
  }
}
