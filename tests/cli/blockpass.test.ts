import { afterEach, expect, it } from '@jest/globals';
import { GatehouseProcess } from '../support/process.ts';

afterEach(() => GatehouseProcess.killAll());

it('the command prints what to register at Blockpass, for the address that phones reach', async () => {
  const command = GatehouseProcess.run(['blockpass', 'endpoints', '--origin', 'http://192.168.1.20:4000'], {
    NODE_ENV: 'test',
    BLOCKPASS_PATH: '/kyc/app',
    CLIENT_ORIGIN: 'https://www.example.test',
  });
  expect(await command.ended).toBe(0);
  expect(JSON.parse(command.output)).toEqual({
    status: 'http://192.168.1.20:4000/kyc/app/status',
    login: 'http://192.168.1.20:4000/kyc/app/login',
    register: 'http://192.168.1.20:4000/kyc/app/register',
    upload: 'http://192.168.1.20:4000/kyc/app/uploadData',
    resubmit: 'http://192.168.1.20:4000/kyc/app/resubmit',
    website: 'https://www.example.test',
  });
});
