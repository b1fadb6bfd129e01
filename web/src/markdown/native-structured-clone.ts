/** In the place of @ungap/structured-clone, which is for browsers that have none. */
// biome-ignore lint/style/noDefaultExport: the package has one.
export default globalThis.structuredClone;
