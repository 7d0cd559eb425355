import { ErrorCode, GatehouseError } from '../../platform/errors.ts';

/** Blockpass does not know the authorization code of the app, or knows it for another person. */
export class CodeNotConfirmed extends GatehouseError {
  constructor(detail?: string) {
    super(ErrorCode.FORBIDDEN, 'Blockpass does not confirm this code.', { detail });
  }
}

/** Blockpass accepts the authorization code, but refuses to complete the session of the QR code. */
export class SignInRefused extends GatehouseError {
  constructor() {
    super(ErrorCode.CONFLICT, 'Blockpass did not accept this sign-in. Scan a new QR code.');
  }
}

/** One message for an upload token that is unknown, expired, used or invented. */
export class UploadTokenNotValid extends GatehouseError {
  constructor() {
    super(ErrorCode.FORBIDDEN, 'The upload token is not valid. Ask for another one.');
  }
}

/** The upload took longer than its time limit, which is enough for a phone on a slow connection. */
export class UploadTooSlow extends GatehouseError {
  constructor() {
    super(ErrorCode.BAD_USER_INPUT, 'The upload took too long. Try again on a better connection.');
  }
}
