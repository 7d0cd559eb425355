import type { Credential } from '../platform/errors.ts';
import { InvalidValue, readFields } from '../platform/input.ts';

/** The kind of a second factor, as a value of `amr` (RFC 8176). `recovery` is not a registered value. */
export type FactorKind = 'otp' | 'recovery';

/** The name of the factor in error messages. */
export const CREDENTIAL_OF: Readonly<Record<FactorKind, Credential>> = {
  otp: 'security code',
  recovery: 'recovery code',
};

/** A second factor that a request gives, unchecked. */
export interface SecondFactorInput {
  readonly kind: FactorKind;
  readonly code: string;
}

/** The two arguments of an operation that needs a second factor. */
export interface FactorArguments {
  readonly securityCode?: string | null | undefined;
  readonly recoveryCode?: string | null | undefined;
}

/** Descriptions of these arguments in the schema. */
export const FACTOR_ARGUMENTS = {
  securityCode: 'Six-digit TOTP code.',
  recoveryCode: 'Recovery code. Case, dashes and spaces are ignored.',
} as const;

/** @throws {BadUserInput} when both codes are given. @returns null when no code is given. */
export function readFactor(
  path: string,
  { securityCode, recoveryCode }: FactorArguments,
): SecondFactorInput | null {
  // A form sends an empty text for a field that the person left empty.
  const code = securityCode?.trim() || undefined;
  const recovery = recoveryCode?.trim() || undefined;
  if (code !== undefined && recovery !== undefined) refuse(path, 'Give only one of the two codes.');
  if (code !== undefined) return { kind: 'otp', code };
  return recovery === undefined ? null : { kind: 'recovery', code: recovery };
}

/** @throws {BadUserInput} unless exactly one code is given. */
export function requireFactor(path: string, given: FactorArguments): SecondFactorInput {
  return readFactor(path, given) ?? refuse(path, 'Give the security code or a recovery code.');
}

function refuse(path: string, problem: string): never {
  readFields(path, {
    securityCode: () => {
      throw new InvalidValue(problem);
    },
  });
  throw new Error('unreachable');
}
