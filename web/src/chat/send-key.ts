/** What Safari calls the key that an input method has taken: its event comes after the composition has ended. */
const takenKeyCode = 229;

/** What counts of a KeyboardEvent. */
type KeyPress = {
  readonly key: string;
  readonly shiftKey: boolean;
  readonly isComposing: boolean;
  readonly keyCode: number;
};

/** Whether this key sends: Enter, unless it makes a new line or chooses a candidate of an input method. */
export function isSendKey({ key, shiftKey, isComposing, keyCode }: KeyPress): boolean {
  return key === "Enter" && !shiftKey && !isComposing && keyCode !== takenKeyCode;
}
