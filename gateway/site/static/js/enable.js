/**
 * Controls that work only by a script. Pages come with them disabled, in `<fieldset disabled data-needs-script>`, so that
 * nothing is pressed or typed that nobody listens to, and no form is submitted by the browser itself.
 */

/** Enables the controls of a part of the page, once their handlers are attached. @param {ParentNode} root */
export function enable(root) {
  for (const group of root.querySelectorAll("fieldset[data-needs-script]")) group.disabled = false;
}
