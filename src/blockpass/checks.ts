import type { PlatformSettings } from '../platform/compose.ts';
import { type Check, fail, ok, warn } from '../platform/doctor/index.ts';
import { reach } from '../platform/doctor/reach.ts';
import type { ConfigOf } from '../platform/setting-declaration.ts';
import { type BLOCKPASS_SETTINGS, SANDBOX } from './settings.ts';

type BlockpassCheck = Check<PlatformSettings & ConfigOf<typeof BLOCKPASS_SETTINGS>>;

const settings: BlockpassCheck = {
  name: 'blockpass.settings',
  run({ config: { blockpass, production } }) {
    if (!blockpass.enabled || !production) return null;
    const isSandbox = blockpass.baseUrl === SANDBOX.baseUrl || blockpass.clientId === SANDBOX.client;
    return isSandbox
      ? warn(
          'Blockpass is its sandbox, whose credentials are public, so its sign-ins prove nothing.',
          'Set BLOCKPASS_BASE_URL, BLOCKPASS_CLIENT_ID and BLOCKPASS_CLIENT_SECRET to your own service.',
        )
      : ok('Blockpass has credentials of its own.');
  },
};

const api: BlockpassCheck = {
  name: 'blockpass.api',
  async run({ config: { blockpass, production } }) {
    if (!blockpass.enabled) return null;
    // In development Blockpass is on without any setting, and few developers use it.
    if (!production && blockpass.baseUrl === SANDBOX.baseUrl && blockpass.clientId === SANDBOX.client)
      return null;
    // Any answer shows that the API can be reached. A call with a meaning would begin a session.
    const answer = await reach(blockpass.baseUrl);
    if ('status' in answer && answer.status < 500) return ok('The Blockpass API answers.');
    return fail(
      `The Blockpass API ${'status' in answer ? `answers ${answer.status}` : `cannot be reached (${answer.reason})`}.`,
      'See that BLOCKPASS_BASE_URL is right and can be reached from here, or unset BLOCKPASS_CLIENT_ID.',
    );
  },
};

export const BLOCKPASS_CHECKS = [settings, api] as const;
