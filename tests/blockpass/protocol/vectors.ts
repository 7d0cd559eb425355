/** The worked examples of the protocol: a person, their tree, and a certificate with two signatures. */
export const FIELDS = {
  family_name: Buffer.from('Lovelace'),
  given_name: Buffer.from('Ada'),
  email: Buffer.from('ada@example.test'),
  phone: Buffer.from(
    '{"countryCode":"GBR","countryCode2":"gb","phoneNumber":"+447700900123","number":"7700900123"}',
  ),
  selfie: Buffer.from('ffd8ffe000104a46', 'hex'),
} as const;

export const ROOT = '6bd6afb3527a03a1fbf3efeffde44529dfab4a671ef4868b6f139f78ebb1e249';

export const FAMILY_NAME_PROOF = [
  {
    left: 'cdfbdd8762a6fee4ad46e9f409e1d9e47c70d57fa35d5e42d7c426629da772ad',
    right: '32886e0531a03d0e060491880ec712b91307b83c04a27377c5b624ebc915f762',
  },
  {
    left: '9b4e76737d535c80315a6eafbb4212f97335b39eda0de6006883b9677bd342df',
    right: '385b71cb6b990f067904ba965c9b70490d65ec0e0f4aec49156ac160f010a913',
  },
  {
    left: 'c05a6382a396e3690dc1fa05279a953d198f0c5de72a0af0aa13947385698be5',
    right: 'fe6f04a1a57b9677405806050ef8448b201c2acdfcbe977d9c34ae1854978c29',
  },
] as const;

export const BASE_URL = 'https://sandbox-api.blockpass.org';
export const CERTIFICATE_SLUG = 'demo-service-cert';

/** Addresses of the two signers, by their names in the signatures. */
export const SIGNERS: Readonly<Record<string, { address: string; clientId: string }>> = {
  a2c9a2fe5ce7de0a0344d2e6a393403b0eea54a3d8ef130220e8670ce8480284: {
    address: '1LiY67LCgzKDRNcBiNHUDBsVYprnN3NL44',
    clientId: 'developer_service',
  },
  '68525fb086c3fe84bc548740715f32f253b4a64b695a857ef06938a177d903be': {
    address: '1HHQurbEnGNS3kNnL1UB9Z2X8ErCrJnxUw',
    clientId: 'blockpass',
  },
};

/** Every term has the same IRI, as in the only schema that was published. */
const term = (group: string) => ({ '@id': 'schema:text', '@nest': group });
export const SCHEMA = {
  '@context': {
    '@version': 1.1,
    Entity: '@nest',
    Organization: '@nest',
    Claim: '@nest',
    ...Object.fromEntries(
      ['email', 'givenName', 'familyName', 'selfie', 'rootHash'].map((name) => [name, term('Entity')]),
    ),
    ...Object.fromEntries(['identifier', 'legalName', 'logo'].map((name) => [name, term('Organization')])),
    ...Object.fromEntries(['issueDate', 'reviewBody', '_customFields'].map((name) => [name, term('Claim')])),
  },
};

export const CERTIFICATE = {
  '@context': [
    { '@version': 1.1 },
    'https://sandbox-api.blockpass.org/api/schema/demo-service-cert',
    'https://w3id.org/security/v2',
  ],
  Entity: {
    email: 'b97222ea69dadf792baa97fa768ecb840a0023714c831ab1328838cba9f7f437',
    givenName: '99a563ab2f6e21e96998f9fddd2a2bab82b70ac019579502b8d7fc0032ff62bb',
    familyName: '5d7dc772fa49e131ada65f8a203e944a28701fc53cb6ae4c0e9fa13e26c4efe0',
    rootHash: '492420886c6f73ce0be9baabb5fd1f57a33638cacdb5596fa6692200edb9b4d8',
    type: 'person',
  },
  Organization: {
    identifier: 'developer_service',
    legalName: 'Example Service Ltd',
    logo: 'https://service.example.test/logo.png',
  },
  Claim: {
    issueDate: '2018-06-10T09:30:00.000Z',
    reviewBody: 'all fields verified',
    _customFields: 'level-1',
  },
  signature: [
    {
      type: 'EcdsaKoblitzSignature2016',
      created: '2018-06-10T09:30:01Z',
      creator: '/a2c9a2fe5ce7de0a0344d2e6a393403b0eea54a3d8ef130220e8670ce8480284',
      signatureValue:
        'IG4FzLxzDD0T8iHAHwrRNnQVKnFyfJXjFfaPELPF8Lj1THpBwZSWHTG+esk6K9HAU9pvnvnGdTWUpboGfpYMm0I=',
    },
    {
      type: 'EcdsaKoblitzSignature2016',
      created: '2018-06-10T09:30:07Z',
      creator: '/68525fb086c3fe84bc548740715f32f253b4a64b695a857ef06938a177d903be',
      nonce: 'sandbox@0.0.1,rinkeby:0x000',
      signatureValue:
        'H8wN8f/xFlnJfCTZ+8hHia33Qg1lLsS5lYwP6gJVGpdjLSIG7xvXEamXW//J6BIaSED0xSMMgMrJWeZb9lbldSc=',
    },
  ],
};

/** The text that the issuer signed, and its SHA-256. */
export const ISSUER_TEXT = `http://purl.org/dc/elements/1.1/created: 2018-06-10T09:30:01Z
_:c14n0 <schema:text> "2018-06-10T09:30:00.000Z" .
_:c14n0 <schema:text> "492420886c6f73ce0be9baabb5fd1f57a33638cacdb5596fa6692200edb9b4d8" .
_:c14n0 <schema:text> "5d7dc772fa49e131ada65f8a203e944a28701fc53cb6ae4c0e9fa13e26c4efe0" .
_:c14n0 <schema:text> "99a563ab2f6e21e96998f9fddd2a2bab82b70ac019579502b8d7fc0032ff62bb" .
_:c14n0 <schema:text> "Example Service Ltd" .
_:c14n0 <schema:text> "all fields verified" .
_:c14n0 <schema:text> "b97222ea69dadf792baa97fa768ecb840a0023714c831ab1328838cba9f7f437" .
_:c14n0 <schema:text> "developer_service" .
_:c14n0 <schema:text> "https://service.example.test/logo.png" .
_:c14n0 <schema:text> "level-1" .
`;
export const ISSUER_TEXT_HASH = '918f5205b97c9a3a5c4cc7e92dfd875660d33f68250acbbb5c12664ba3848aea';
export const COUNTERSIGNER_TEXT_HASH = 'b5da11d65d4ecccfa647d1fb33afb585c04d6e0331d0c1491a496bb0512591f8';
