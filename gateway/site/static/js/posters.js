// Posters that cannot be loaded are replaced by the generated ones.

/** Shows the generated poster in place of an image that cannot be loaded. */
function fallBack(image) {
  const { fallback } = image.dataset;
  if (!fallback || image.getAttribute("src") === fallback) return;
  image.src = fallback;
}

// Errors of images do not bubble.
document.addEventListener("error", (event) => event.target instanceof HTMLImageElement && fallBack(event.target), true);

for (const image of document.querySelectorAll("img[data-fallback]")) {
  if (image.complete && !image.naturalWidth) fallBack(image);
}
