export { type BitcoinKey, bitcoinKey, readWalletImportFormat } from './bitcoin-message.ts';
export { certificateTerm, isFileField, isSlug } from './catalogue.ts';
export {
  type Certificate,
  type CertificateSources,
  contradicts,
  isGenuine,
  issueCertificate,
  MalformedCertificate,
  parseCertificate,
} from './certificate.ts';
export { fieldHash } from './field-hash.ts';
export { isInTree, type ProofStep } from './merkle-proof.ts';
