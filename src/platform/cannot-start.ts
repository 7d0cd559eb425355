/** Something around the gateway keeps it from starting. The message tells the operator what to do. */
export class CannotStart extends Error {}
