/** The package has no types of its own. */
declare module '@digitalbazaar/security-context' {
  const securityContext: { readonly contexts: ReadonlyMap<string, object> };
  export default securityContext;
}
