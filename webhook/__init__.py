"""The admission webhook: HTTPS, certificates and AdmissionReviews around the rules of `seldon_core.api`.

It has no rules of its own.
"""
