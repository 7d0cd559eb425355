import { ErrorCode, GatehouseError } from '../../platform/errors.ts';

/** Blockpass does not know the code that the app brought, or knows it for somebody else. */
export class CodeNotConfirmed extends GatehouseError {
  constructor(detail?: string) {
    super(ErrorCode.FORBIDDEN, 'Blockpass does not confirm this code.', { detail });
  }
}

/** Blockpass takes the code, and refuses that the session of the QR code ends. */
export class SignInRefused extends GatehouseError {
  constructor() {
    super(ErrorCode.CONFLICT, 'Blockpass did not accept this sign-in. Scan a new QR code.');
  }
}

/** One message for an upload token that is unknown, expired, used or made up. */
export class UploadTokenNotValid extends GatehouseError {
  constructor() {
    super(ErrorCode.FORBIDDEN, 'The upload token is not valid. Ask for another one.');
  }
}

/** The sender took longer than a phone on a bad line does. */
export class UploadTooSlow extends GatehouseError {
  constructor() {
    super(ErrorCode.BAD_USER_INPUT, 'The upload took too long.');
  }
}
