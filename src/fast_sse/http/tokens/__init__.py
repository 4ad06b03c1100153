"""Tokens of an identity provider (RFC 7519), by PyJWT: the extra `jwt`. Nothing else imports this but where tokens are set up.

keys      public keys and secrets, each with the algorithms that it is for
fetch     a key set from its https address
source    the keys of this moment: fixed ones, or a set that is fetched again
verifier  from the text of a token to the right that it gives
"""
