// How the command line ends, for scripts that call it.

/** The relay said no, or a part of what was asked failed. */
export const REFUSED = 1
/** The command line is wrong: nothing was asked of the relay. */
export const USAGE = 2
/** Nobody is signed in, or their session has ended. */
export const SIGN_IN = 3
/** The audit log is not what it was. */
export const AUDIT_BROKEN = 4
/** The relay does not answer, or asks to come back later. */
export const TRY_LATER = 5
