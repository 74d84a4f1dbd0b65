"""Scripts in the measured pages: when messages arrive, and when what they change has been drawn."""

PROBE = r"""
(() => {
  const seen = { shift: 0, messages: [] };
  window.aisleProbe = seen;
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) seen.shift += entry.value;
  }).observe({ type: "layout-shift", buffered: true });

  // The task after the callbacks of the next frame: the frame's drawing is done then.
  const afterFrame = then => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = then;
    channel.port2.postMessage(null);
  });
  const now = () => performance.timeOrigin + performance.now();
  window.WebSocket = class extends WebSocket {
    constructor(...options) {
      super(...options);
      // The first listener of the socket: it is called before the page's own.
      this.addEventListener("message", event => {
        const received = now();
        const text = String(event.data);
        const version = /"version":(\d+)/.exec(text);
        if (!text.startsWith('{"type":"changes"') || version === null) return;
        const number = seen.messages.length;
        const message = { version: Number(version[1]), characters: text.length, received, drawn: null };
        seen.messages.push(message);
        performance.mark(`probe:received-${number}`);
        afterFrame(() => {
          message.drawn = now();
          performance.mark(`probe:drawn-${number}`);
        });
      });
    }
  };
})();
"""
