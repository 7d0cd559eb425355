/** A condition outside of the gateway prevents the start. The message tells the operator what to do. */
export class CannotStart extends Error {}
