"""The controller: observe, plan, apply, report.

What to build is decided by `seldon_core.plan`; here it is compared with the cluster and applied.
"""
