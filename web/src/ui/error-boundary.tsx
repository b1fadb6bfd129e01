import { Component, type ReactNode } from "react";

type Props = {
  children: ReactNode;
  /** In the place of the children once they have thrown; `again` shows them once more. */
  fallback: (again: () => void) => ReactNode;
  /** A change of it shows the children once more. */
  resetKey?: unknown;
};

type State = { readonly isBroken: boolean; readonly resetKey: unknown };

/**
 * Keeps what its children throw while they are rendered from the rest of the page. A class, because React has
 * this for classes alone.
 */
export class ErrorBoundary extends Component<Props, State> {
  override state: State = { isBroken: false, resetKey: this.props.resetKey };

  static getDerivedStateFromError(): Partial<State> {
    return { isBroken: true };
  }

  static getDerivedStateFromProps({ resetKey }: Props, state: State): Partial<State> | null {
    return Object.is(resetKey, state.resetKey) ? null : { isBroken: false, resetKey };
  }

  readonly again = () => this.setState({ isBroken: false });

  override render(): ReactNode {
    return this.state.isBroken ? this.props.fallback(this.again) : this.props.children;
  }
}
