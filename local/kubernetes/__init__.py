"""A stand-in for many kube-apiservers: the API of Secrets over HTTPS."""
