import { ServiceUnavailable } from '../../platform/errors.ts';

/** Blockpass understood the call and refused it, for example for an unknown authorization code or an expired token. */
export class BlockpassRefused extends Error {
  constructor(
    readonly call: string,
    readonly status: number,
  ) {
    super(`Blockpass refused ${call} with ${status}`);
    this.name = new.target.name;
  }
}

/**
 * Blockpass gave no usable answer: not reached, too late, too large, an error of its own, or not as in the protocol.
 */
export class BlockpassAway extends ServiceUnavailable {
  constructor(call: string, reason: string, cause?: unknown) {
    super({ detail: `Blockpass, ${call}: ${reason}`, cause });
  }
}
