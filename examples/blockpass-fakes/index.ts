export { type CallName, type Endpoints, FakeBlockpass, type Service, type Trouble } from './blockpass-api.ts';
export { FakeApp, type NextAction, ServiceError, type StatusAnswer } from './blockpass-app.ts';
export { type CertificateDocument, SigningKey, schema } from './certificates.ts';
export { hash, MerkleTree } from './merkle-tree.ts';
export { Person, picture } from './person.ts';
