import type { Credential } from '../platform/errors.ts';
import { InvalidValue, readFields } from '../platform/input.ts';

/** In the words of `amr` (RFC 8176); `recovery` has no registered one. */
export type FactorKind = 'otp' | 'recovery';

/** What the message of a refusal calls it. */
export const CREDENTIAL_OF: Readonly<Record<FactorKind, Credential>> = {
  otp: 'security code',
  recovery: 'recovery code',
};

/** What somebody offers as a second factor, unchecked. */
export interface SecondFactorInput {
  readonly kind: FactorKind;
  readonly code: string;
}

/** The two arguments of an operation that takes a second factor. */
export interface FactorArguments {
  readonly securityCode?: string | null | undefined;
  readonly recoveryCode?: string | null | undefined;
}

/** What the schema says of them. */
export const FACTOR_ARGUMENTS = {
  securityCode: 'Six-digit TOTP code.',
  recoveryCode: 'Case, dashes and spaces do not count.',
} as const;

/** @throws {BadUserInput} when both codes are given. @returns null for neither. */
export function readFactor(
  path: string,
  { securityCode, recoveryCode }: FactorArguments,
): SecondFactorInput | null {
  // A form sends an empty text for a field that nobody filled in.
  const code = securityCode?.trim() || undefined;
  const recovery = recoveryCode?.trim() || undefined;
  if (code !== undefined && recovery !== undefined) refuse(path, 'Give one of the two codes.');
  if (code !== undefined) return { kind: 'otp', code };
  return recovery === undefined ? null : { kind: 'recovery', code: recovery };
}

/** @throws {BadUserInput} unless exactly one code is given. */
export function requireFactor(path: string, given: FactorArguments): SecondFactorInput {
  return readFactor(path, given) ?? refuse(path, 'The security code or a recovery code is needed.');
}

function refuse(path: string, problem: string): never {
  readFields(path, {
    securityCode: () => {
      throw new InvalidValue(problem);
    },
  });
  throw new Error('unreachable');
}
