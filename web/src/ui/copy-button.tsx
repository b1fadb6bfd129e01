import { useEffect, useState } from "react";
import { useApp } from "../app-context.ts";
import { IconButton } from "./icon-button.tsx";

/** How long it says that it has copied, milliseconds. */
const saysMs = 1_600;

/** Copies a text. */
export function CopyButton({
  text,
  label,
  isDisabled = false,
}: {
  text: string;
  label: string;
  isDisabled?: boolean;
}) {
  const { notices } = useApp();
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setCopied(false), saysMs);
    return () => clearTimeout(timer);
  }, [isCopied]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      notices.tell({ text: "The browser does not let this page copy.", tone: "error" });
    }
  };
  return (
    <IconButton
      icon={isCopied ? "check" : "copy"}
      label={isCopied ? "Copied" : label}
      disabled={isDisabled}
      onClick={() => void copy()}
    />
  );
}
