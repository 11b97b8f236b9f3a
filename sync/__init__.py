"""trustcast keeps the trust lists of a fleet of Kubernetes clusters in step with Azure Key Vault.

Each package may import those below it; docs/architecture.md has the picture and an event's way through it.

    triggers, cli     what Azure calls, what people type
    bootstrap         builds the runtime from the settings, once
    commands          what people ask for, over the same steps
    steps             the protocol: admit, plan, push, check drift
    adapters          Key Vault, storage, Kubernetes, Event Grid: behind the ports
    settings          the environment, read once
    ports             protocols of the outside world, with the values that they trade
    reports           read models for every surface
    reconcile         one list on one cluster: observed, plan, status
    desired           what every list should hold, what may leave it and why
    catalogue         each secret as last looked at; all that decides, under one head
    fleet             what operators declare: vaults, lists, clusters, policies
    certificates      from a value to certificates and CRLs, and what is wrong with each alone
    findings, deadline, errors, text, typed_json
"""
