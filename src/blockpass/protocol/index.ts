export { type BitcoinKey, bitcoinKey, readWalletImportFormat } from './bitcoin-message.ts';
export { isFileField, isSlug } from './catalogue.ts';
export {
  type Certificate,
  type CertificateSources,
  isGenuine,
  issueCertificate,
  MalformedCertificate,
  parseCertificate,
  parseOldCertificate,
  speaksOf,
} from './certificate.ts';
export { fieldHash } from './field-hash.ts';
export { isInTree, type ProofStep } from './merkle-proof.ts';
