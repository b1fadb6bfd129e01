import type { InputHTMLAttributes } from "react";

/** The box of an item in a list of tasks; it shows, and cannot be changed. */
export function TaskBox({ checked }: InputHTMLAttributes<HTMLInputElement>) {
  return (
    <input
      type="checkbox"
      checked={checked === true}
      aria-label={checked === true ? "Done" : "To do"}
      disabled
      readOnly
    />
  );
}
