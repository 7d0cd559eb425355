import { FakeBlockpass, type Service, SigningKey } from '../../examples/blockpass-fakes/index.ts';

export const ALL_FIELDS =
  'family_name given_name address dob phone passport selfie proof_of_address email'.split(' ');

export const issuerKey = new SigningKey('blockpass-fake-issuer-key');

/** A Blockpass of the test's own, at which one service is registered; its endpoints are set once they are known. */
export async function startBlockpass(service: Partial<Service> = {}): Promise<FakeBlockpass> {
  const nowhere = 'http://127.0.0.1:9';
  const blockpass = new FakeBlockpass({
    clientId: 'developer_service',
    clientSecret: 'developer_service',
    fields: ALL_FIELDS,
    certificates: ['onfido-service-cert'],
    address: issuerKey.address,
    endpoints: { status: nowhere, login: nowhere, register: nowhere, upload: nowhere, resubmit: nowhere },
    ...service,
  });
  await blockpass.start();
  return blockpass;
}
