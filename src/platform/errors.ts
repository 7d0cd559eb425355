export enum ErrorCode {
  UNAUTHENTICATED = 'UNAUTHENTICATED',
  FORBIDDEN = 'FORBIDDEN',
  REAUTHENTICATION_REQUIRED = 'REAUTHENTICATION_REQUIRED',
  INVALID_CREDENTIALS = 'INVALID_CREDENTIALS',
  EMAIL_NOT_CONFIRMED = 'EMAIL_NOT_CONFIRMED',
  INVALID_TOKEN = 'INVALID_TOKEN',
  INVALID_REFRESH_TOKEN = 'INVALID_REFRESH_TOKEN',
  REFRESH_TOKEN_SUPERSEDED = 'REFRESH_TOKEN_SUPERSEDED',
  BAD_USER_INPUT = 'BAD_USER_INPUT',
  CONFLICT = 'CONFLICT',
  NOT_FOUND = 'NOT_FOUND',
  PAYLOAD_TOO_LARGE = 'PAYLOAD_TOO_LARGE',
  RATE_LIMITED = 'RATE_LIMITED',
  SERVICE_UNAVAILABLE = 'SERVICE_UNAVAILABLE',
  INTERNAL_SERVER_ERROR = 'INTERNAL_SERVER_ERROR',
}

/** Description of each code in the schema. `retryable` means that the same request may succeed later, unchanged. */
export const ERROR_CODES: Readonly<Record<ErrorCode, { description: string; retryable: boolean }>> = {
  UNAUTHENTICATED: {
    description:
      "No valid access token: absent, malformed, expired, revoked, or older than the account's last security change. Refresh, or sign in again.",
    retryable: false,
  },
  FORBIDDEN: { description: 'The caller is signed in, but not allowed to do this.', retryable: false },
  REAUTHENTICATION_REQUIRED: {
    description:
      'The session is too weak or too old for this operation. extensions: requiredAal, maxAgeSeconds, methods, enrolmentRequired. Call reauthenticate, then repeat.',
    retryable: false,
  },
  INVALID_CREDENTIALS: {
    description:
      'The identifier, password, security code, recovery code or ID token is wrong. The message names everything that the operation asked for, and never which of it was wrong. Also: a deactivated or unknown account.',
    retryable: false,
  },
  EMAIL_NOT_CONFIRMED: {
    description: 'The e-mail address must be confirmed first. Sent only after the right password.',
    retryable: false,
  },
  INVALID_TOKEN: {
    description:
      'An e-mailed token, recovery token or sign-in challenge that is unknown, expired or already used. Ask for a new one.',
    retryable: false,
  },
  INVALID_REFRESH_TOKEN: {
    description: 'A refresh token that is unknown, expired, revoked or reused. Sign in again.',
    retryable: false,
  },
  REFRESH_TOKEN_SUPERSEDED: {
    description:
      'A refresh token that was replaced by a step-up, a credential change or a lost answer. The session goes on. Repeat once with the newest token (a browser has it in its cookie). Without it, call reauthenticate with the access token, or sign in.',
    retryable: false,
  },
  BAD_USER_INPUT: {
    description:
      'Input failed validation. extensions.fields: [{ field, message }], never the rejected value. Correct the input.',
    retryable: false,
  },
  CONFLICT: {
    description:
      'Already taken or already in that state: a username, an e-mail address, a role name, a linked Google account, the last superuser.',
    retryable: false,
  },
  NOT_FOUND: {
    description:
      'The object does not exist, or the caller may not see it. Also: the operation belongs to a part that is not set up here.',
    retryable: false,
  },
  PAYLOAD_TOO_LARGE: {
    description: 'The request body is larger than allowed (HTTP 413).',
    retryable: false,
  },
  RATE_LIMITED: {
    description:
      'Too many attempts. extensions.retryAfterSeconds tells when to come back; the HTTP reply carries Retry-After.',
    retryable: true,
  },
  SERVICE_UNAVAILABLE: {
    description:
      'A part that the operation needs is away or busy. Nothing was changed, unless the message says that the outcome is unknown.',
    retryable: true,
  },
  INTERNAL_SERVER_ERROR: {
    description: 'A fault of the gateway. The reply carries the request id under which it was logged.',
    retryable: false,
  },
};

/** HTTP status of each code, for routes outside of GraphQL. */
export const HTTP_STATUS: Readonly<Record<ErrorCode, number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  REAUTHENTICATION_REQUIRED: 401,
  INVALID_CREDENTIALS: 403,
  EMAIL_NOT_CONFIRMED: 403,
  INVALID_TOKEN: 403,
  INVALID_REFRESH_TOKEN: 403,
  REFRESH_TOKEN_SUPERSEDED: 403,
  BAD_USER_INPUT: 400,
  CONFLICT: 409,
  NOT_FOUND: 404,
  PAYLOAD_TOO_LARGE: 413,
  RATE_LIMITED: 429,
  SERVICE_UNAVAILABLE: 503,
  INTERNAL_SERVER_ERROR: 500,
};

export interface ErrorOptions {
  /** For the log only. It may say more than the client may know, but never a secret. */
  detail?: string | undefined;
  /** Sent to the client next to the code. */
  extensions?: Record<string, unknown>;
  /** The account that the failure concerns, for the audit trail. */
  subjectId?: string | null;
  cause?: unknown;
}

/**
 * A failure that a client may see. `message` and `extensions` reach the client, `detail` only the log. Any other thrown
 * error is a fault, and is masked as INTERNAL_SERVER_ERROR (graphql/format-error.ts).
 */
export class GatehouseError extends Error {
  readonly detail: string | undefined;
  readonly extensions: Readonly<Record<string, unknown>>;
  readonly subjectId: string | null;

  constructor(
    readonly code: ErrorCode,
    message: string,
    { detail, extensions = {}, subjectId = null, cause }: ErrorOptions = {},
  ) {
    super(message, { cause });
    this.name = new.target.name;
    this.detail = detail;
    this.extensions = extensions;
    this.subjectId = subjectId;
  }
}

/** No valid access token (RFC 6750 section 3.1, invalid_token). */
export class Unauthenticated extends GatehouseError {
  constructor(detail?: string) {
    super(ErrorCode.UNAUTHENTICATED, 'Sign in first.', { detail });
  }
}

/** The access token or its proof is not valid (RFC 9449 section 7.1). `reason` is the error code. */
export class InvalidDpopProof extends GatehouseError {
  constructor(
    readonly reason: 'invalid_dpop_proof' | 'invalid_token',
    message: string,
  ) {
    super(ErrorCode.UNAUTHENTICATED, message, { detail: reason });
  }

  /** Value of the header WWW-Authenticate. */
  get challenge(): string {
    return `DPoP error="${this.reason}", algs="ES256 EdDSA RS256 PS256"`;
  }
}

export class Forbidden extends GatehouseError {
  constructor(detail?: string, options: Pick<ErrorOptions, 'subjectId'> = {}) {
    super(ErrorCode.FORBIDDEN, 'Not allowed.', { ...options, detail });
  }
}

/** The credentials that an operation can ask for as a proof, in the words of the message. */
export type Credential = 'identifier' | 'password' | 'security code' | 'recovery code' | AssertedCredential;

/** A statement of another party about a person, such as an ID token: its identity provider declares the words. */
export interface AssertedCredential {
  /** As part of a list: "Wrong password or ID token." */
  readonly name: string;
  /** The whole message where nothing else was asked for: people do not type such a thing, so "wrong" would not help them. */
  readonly refusal: string;
}

/**
 * A proof was refused. The message names everything that the operation asked for, and never which part was wrong:
 * "Wrong identifier or password."
 */
export class InvalidCredentials extends GatehouseError {
  /** @param asked in the order of the message; at least one */
  constructor(asked: readonly Credential[], detail?: string) {
    super(ErrorCode.INVALID_CREDENTIALS, wrong(asked), { detail });
  }
}

function wrong(asked: readonly Credential[]): string {
  const [only, ...others] = asked;
  if (typeof only === 'object' && others.length === 0) return only.refusal;
  const names = asked.map((credential) => (typeof credential === 'object' ? credential.name : credential));
  return `Wrong ${names.join(', ').replace(/, (?=[^,]*$)/, ' or ')}.`;
}

/** Thrown only after the right password, since it reveals that the account exists, or will exist. */
export class EmailNotConfirmed extends GatehouseError {
  constructor() {
    super(
      ErrorCode.EMAIL_NOT_CONFIRMED,
      'Confirm your e-mail address first: the link is in the mail that we sent.',
    );
  }
}

/** One message for every mailed token or challenge that is not valid. */
export class InvalidToken extends GatehouseError {
  constructor(detail?: string) {
    super(ErrorCode.INVALID_TOKEN, 'This link or code is no longer valid. Ask for a new one.', { detail });
  }
}

/** One message for every refused refresh token (RFC 6749 section 5.2, invalid_grant). */
export class InvalidRefreshToken extends GatehouseError {
  constructor(detail?: string) {
    super(ErrorCode.INVALID_REFRESH_TOKEN, 'The refresh token is not valid. Sign in again.', { detail });
  }
}

/** A newer token of the same session was issued. The session goes on, so no cookie is cleared. */
export class RefreshTokenSuperseded extends GatehouseError {
  constructor(detail?: string) {
    super(
      ErrorCode.REFRESH_TOKEN_SUPERSEDED,
      'A newer refresh token has replaced this one. Repeat with the newest token, or prove again that it is you.',
      { detail },
    );
  }
}

export interface FieldProblem {
  /** Path of the input field, such as `input.username`. */
  field: string;
  /** The problem as a sentence for people; never the rejected value. */
  message: string;
}

export class BadUserInput extends GatehouseError {
  constructor(readonly fields: readonly FieldProblem[]) {
    super(ErrorCode.BAD_USER_INPUT, 'Invalid input.', { extensions: { fields } });
  }
}

export class Conflict extends GatehouseError {
  constructor(message: string, fields: readonly FieldProblem[] = []) {
    super(ErrorCode.CONFLICT, message, fields.length === 0 ? {} : { extensions: { fields } });
  }
}

export class PayloadTooLarge extends GatehouseError {
  constructor(detail?: string) {
    super(ErrorCode.PAYLOAD_TOO_LARGE, 'The request body is too large.', { detail });
  }
}

export class NotFound extends GatehouseError {
  constructor(message = 'Not found.') {
    super(ErrorCode.NOT_FOUND, message);
  }
}

export class RateLimited extends GatehouseError {
  constructor(
    readonly retryAfterSeconds: number,
    detail?: string,
    options: Pick<ErrorOptions, 'subjectId'> = {},
  ) {
    super(ErrorCode.RATE_LIMITED, 'Too many attempts. Try again later.', {
      ...options,
      extensions: { retryAfterSeconds },
      detail,
    });
  }
}

/** The default wait. */
const RETRY_AFTER_SECONDS = 2;

/**
 * The gateway is busy, or lacks a part that it needs. Clients are always told when to retry, so that they do not retry
 * at once.
 */
export class ServiceUnavailable extends GatehouseError {
  constructor({
    detail,
    cause,
    retryAfterSeconds = RETRY_AFTER_SECONDS,
    outcomeUnknown = false,
  }: {
    detail?: string;
    cause?: unknown;
    retryAfterSeconds?: number;
    /** Whether the change may still have been made. */
    outcomeUnknown?: boolean;
  } = {}) {
    const message = outcomeUnknown
      ? 'Temporarily unavailable. It is unknown whether the change was made: check before you repeat it.'
      : 'Temporarily unavailable. Nothing was changed; try again.';
    super(ErrorCode.SERVICE_UNAVAILABLE, message, {
      detail,
      extensions: { retryAfterSeconds },
      cause,
    });
  }
}

/** The session is too weak or too old for the operation (RFC 9470: step up). */
export class ReauthenticationRequired extends GatehouseError {
  constructor(extensions: {
    requiredAal: number | null;
    maxAgeSeconds: number | null;
    methods: readonly string[];
    enrolmentRequired: boolean;
  }) {
    super(ErrorCode.REAUTHENTICATION_REQUIRED, 'Prove again that it is you.', { extensions });
  }
}
