import type { ReactNode } from "react";
import { ErrorBoundary } from "./error-boundary.tsx";

/** In the place of a part of the page that could not be loaded or shown. */
export function BrokenPart({ onRetry }: { onRetry: () => void }) {
  return (
    <div className="card broken-part" data-tone="error" role="alert">
      <div>
        <strong>This part of the page could not be loaded</strong>
        <p>The rest of the page works, and what you wrote is kept.</p>
      </div>
      <button type="button" onClick={onRetry}>
        Try again
      </button>
      <button type="button" className="quiet" onClick={() => window.location.reload()}>
        Reload the page
      </button>
    </div>
  );
}

/** A part of the page that may break without the rest; a change of `resetKey` shows it again. */
export function Part({ children, resetKey }: { children: ReactNode; resetKey?: unknown }) {
  return (
    <ErrorBoundary resetKey={resetKey} fallback={(again) => <BrokenPart onRetry={again} />}>
      {children}
    </ErrorBoundary>
  );
}
