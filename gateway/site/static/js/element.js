/** DOM elements from values. Texts are text nodes, so nothing that comes from data is ever read as markup. */

/**
 * Makes an element.
 * @param {string} tag
 * @param {Object<string, unknown>} [attributes] `class`, `on…` listeners, `hidden` and other booleans, or plain
 *   attributes; null and undefined are left out.
 * @param {...(Node|string|null|undefined)} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Sets a text only where it differs, so that nothing is announced or laid out again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets or removes an attribute, only where it differs. */
export function setAttribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

/**
 * Makes the children of a container those of a list, keeping the elements (and the focus) of items that stay.
 * @template T
 * @param {HTMLElement} container
 * @param {T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => HTMLElement} create
 * @param {(node: HTMLElement, item: T) => void} [update]
 */
export function renderList(container, items, keyOf, create, update = () => {}) {
  const known = new Map([...container.children].map((node) => [node.dataset.key, node]));
  let before = container.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let node = known.get(key);
    known.delete(key);
    if (node === undefined) {
      node = create(item);
      node.dataset.key = key;
    }
    update(node, item);
    if (node === before) before = before.nextElementSibling;
    else container.insertBefore(node, before);
  }
  for (const node of known.values()) node.remove();
}
