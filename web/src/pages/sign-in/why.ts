export type SignedOutWhy = 'expired' | 'forbidden' | 'new'
