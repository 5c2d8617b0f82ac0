// What the server side and the load driver both know.

import { ENCRYPT_KEY, VERIFICATION_TOKEN } from '../../tests/e2e/support/feishu.mjs'

/** Known to the driver, which makes tokens and signs webhooks itself. Not secrets of anyone. */
export const SECRETS = {
  signingKey: 'bench-signing-key-of-more-than-32-bytes',
  sealingKey: 'bench-sealing-key-of-more-than-32-bytes',
  operatorToken: 'opr_bench-operator-token-of-more-than-32-bytes',
  encryptKey: ENCRYPT_KEY,
  verificationToken: VERIFICATION_TOKEN,
}
