import { ServiceUnavailable } from '../../platform/errors.ts';

/** Blockpass understood and said no: an authorization code that it does not know, a token that has expired. */
export class BlockpassRefused extends Error {
  constructor(
    readonly call: string,
    readonly status: number,
  ) {
    super(`Blockpass refused ${call} with ${status}`);
    this.name = new.target.name;
  }
}

/** No usable answer: not reached, too late, too much, an error of theirs, or something else than the protocol says. */
export class BlockpassAway extends ServiceUnavailable {
  constructor(call: string, reason: string, cause?: unknown) {
    super({ detail: `Blockpass, ${call}: ${reason}`, cause });
  }
}
