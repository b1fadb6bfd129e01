import { type ComponentType, lazy } from "react";
import { useObservable } from "../app-context.ts";
import { createObservable } from "../client/observable.ts";
import { BrokenPart } from "./broken-part.tsx";
import { ErrorBoundary } from "./error-boundary.tsx";

/** Stands in for a component that could not be loaded; it gets its props. */
type Stand<P> = ComponentType<P & { onRetry: () => void }>;

/**
 * A component of a module that is loaded when it is first shown. Where that fails, `Failed` stands in its place
 * and offers to load it again; the rest of the page stays.
 */
export function lazyComponent<N extends string, P extends object>(
  load: () => Promise<Record<N, ComponentType<P>>>,
  name: N,
  Failed: Stand<P> = BrokenPart as Stand<P>,
): ComponentType<P> {
  // React keeps a failure for ever, so each attempt is a component of its own.
  const attempt = () => lazy(async () => ({ default: (await load())[name] }));
  const latest = createObservable(attempt());
  return function Lazy(props: P) {
    const Loaded = useObservable(latest) as unknown as ComponentType<P>;
    return (
      <ErrorBoundary
        fallback={(again) => (
          <Failed
            {...props}
            onRetry={() => {
              latest.set(attempt());
              again();
            }}
          />
        )}
      >
        <Loaded {...props} />
      </ErrorBoundary>
    );
  };
}
