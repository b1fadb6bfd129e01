import { createHook } from "node:async_hooks";

// node:test follows every promise by an async hook, to tell the running test whose error nobody caught. Of a
// test that talks to a server that is a fifth of its time. Without it such an error still fails the run, under
// its file's name instead of the test's. Only the hook that is enabled first, node:test's own, is left out.
const hooks = Object.getPrototypeOf(createHook({}));
const enable = hooks.enable;
hooks.enable = function () {
  hooks.enable = enable;
  return this;
};
