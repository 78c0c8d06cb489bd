"""What an application behind bearerd needs.

- ``bearerd.django``, ``bearerd.flask``, ``bearerd.wsgi`` and ``bearerd.asgi`` say who sent
  a request that came through bearerd or through a proxy that asks it.
- ``bearerd.sign_in``, with views in ``bearerd.django`` and ``bearerd.flask``, makes the
  application's own login a way to sign in to bearerd.
- ``bearerd.verify`` verifies tokens in the process, for an application that isn't
  behind bearerd.
"""

from .identity import Forbidden, Identity, Untrusted

__all__ = ["Forbidden", "Identity", "Untrusted"]
