/** Gives an element the focus where nothing has it any more, because what had it was taken from the page. */
export function focusIfLost(element: HTMLElement | null): void {
  if (document.activeElement === document.body) element?.focus();
}
