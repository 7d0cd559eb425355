export { PictureDecoder } from './app/picture-decoder.ts';
export { abandonedRecords } from './records/kyc-records.ts';
export { expiredUploadTokens } from './records/upload-tokens.ts';
export { BlockpassIdentities } from './sign-in/blockpass-identities.ts';
export { oldSignIns } from './sign-in/website-sign-ins.ts';
