import { type Check, fail, ok } from '../platform/doctor/index.ts';
import { GatehouseError } from '../platform/errors.ts';
import type { ConfigOf } from '../platform/setting-declaration.ts';
import { GoogleIssuer } from './google-issuer.ts';
import type { GOOGLE_SETTINGS } from './settings.ts';

const issuer: Check<ConfigOf<typeof GOOGLE_SETTINGS>> = {
  name: 'google.issuer',
  async run({ config: { google }, machine }) {
    if (!google) return null;
    const found = new GoogleIssuer({ ...google, redirectUri: '' }, { now: machine });
    try {
      const signal = found.deadline();
      await found.issuers(signal);
      // Reads the keys. None has this id.
      await found.key('doctor', signal);
      return ok('The issuer of Google sign-in answers.');
    } catch (error) {
      const detail = error instanceof GatehouseError ? error.detail : undefined;
      return fail(
        `Google sign-in does not work: ${detail ?? 'the issuer cannot be reached'}.`,
        google.issuerUrl === undefined
          ? 'Let this machine reach https://www.googleapis.com, or unset GOOGLE_CLIENT_ID.'
          : 'See that GOOGLE_ISSUER_URL is the issuer exactly as its discovery document names it, and can be reached.',
      );
    }
  },
};

export const GOOGLE_CHECKS = [issuer] as const;
