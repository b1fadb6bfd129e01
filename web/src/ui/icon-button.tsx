import type { ComponentProps } from "react";
import { Icon, type IconName } from "./icon.tsx";

/** A button that is an icon; its label is what screen readers and pointers get to know. */
export function IconButton({
  icon,
  label,
  className = "",
  ...rest
}: ComponentProps<"button"> & { icon: IconName; label: string }) {
  return (
    <button
      type="button"
      {...rest}
      className={`icon-button ${className}`}
      aria-label={label}
      title={label}
    >
      <Icon name={icon} />
    </button>
  );
}
