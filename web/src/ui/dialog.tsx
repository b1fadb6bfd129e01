import { type ReactNode, useId, useLayoutEffect, useRef } from "react";
import { IconButton } from "./icon-button.tsx";

/**
 * A modal dialog; Escape closes it, and the focus goes back where it was. So does a press beside it, unless
 * something was changed in it: that is not thrown away by a slip.
 */
export function Dialog({
  title,
  onClose,
  children,
}: {
  title: string;
  onClose: () => void;
  children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const isChanged = useRef(false);
  const isPressedBeside = useRef(false);
  const titleId = useId();
  // Closed while it is still in the page: one that has left it gives no focus back.
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard's way is Escape, which the dialog has itself.
    <dialog
      ref={dialog}
      aria-labelledby={titleId}
      onCancel={onClose}
      onInput={() => {
        isChanged.current = true;
      }}
      // Text that is selected from within to beside it ends in a click on the dialog as well.
      onPointerDown={(event) => {
        isPressedBeside.current = event.target === dialog.current;
      }}
      onClick={(event) => {
        const isBeside = event.target === dialog.current && isPressedBeside.current;
        if (isBeside && !isChanged.current) onClose();
      }}
    >
      <div className="dialog-body">
        <header>
          <h2 id={titleId}>{title}</h2>
          <IconButton icon="close" label="Close" onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  );
}
