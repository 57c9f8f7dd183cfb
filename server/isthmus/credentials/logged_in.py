"""The access tokens of a login that the user made: used, renewed before they expire, and shared with other servers."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable

import anyio

from isthmus.credentials.ages import YOUNG, used_for
from isthmus.errors import ConfigurationError, PermissionDenied, UpstreamUnavailable
from isthmus.stores.logins import Login, LoginFile

GLANCE = 1.0
"""Seconds between two looks at whether the user has logged in meanwhile."""

PATIENCE = 60.0
"""Seconds that another server is waited for which renews the same login."""

_AGAIN = 0.05  # seconds between two attempts to have the turn

Renew = Callable[[Login], Awaitable[Login]]
"""Renews a login. Raises PermissionDenied where that is refused for good, UpstreamUnavailable where it may come yet."""


class LoggedIn:
    """Implements `Tokens` with what `isthmus login` has kept.

    A refresh token counts once with many servers, so one task of one server renews a login, and all others read what
    it has kept. `learn` is told the values that must not be seen, with those before; `now` is seconds since the epoch.
    """

    def __init__(
        self,
        upstream: str,
        file: LoginFile,
        renew: Renew,
        learn: Callable[[Iterable[str]], None],
        now: Callable[[], float],
    ) -> None:
        self._upstream = upstream
        self._file = file
        self._renew = renew
        self._learn = learn
        self._now = now
        self._turn = anyio.Lock()
        self._mark: object = None
        self._login: Login | None = None
        self._refused = ""  # a refresh token that does not count any longer

    def __repr__(self) -> str:
        return f"LoggedIn({self._upstream!r})"

    async def token(self) -> str:
        """See `Tokens`."""
        login = self._current()
        return login.token if self._counts(login) else (await self._renewed(login)).token

    async def other(self, refused: str) -> str | None:
        """See `Tokens`."""
        login = self._current()
        if login.token != refused and self._counts(login):
            return login.token
        if self._now() - login.got < YOUNG:
            raise self._again("the access token that it was just given is refused")
        return (await self._renewed(login)).token

    async def changed(self) -> None:
        """See `Tokens`."""
        while self._file.mark() == self._mark:  # noqa: ASYNC110 - it is another process that changes it
            await anyio.sleep(GLANCE)

    def _current(self) -> Login:
        """The login as it is kept now, whoever has kept it."""
        if (mark := self._file.mark()) != self._mark or self._login is None:
            before, self._mark, self._login = self._login, mark, self._file.read()
            known = [each for login in (self._login, before) if login is not None for each in login.secrets()]
            self._learn(known)
        if self._login is None:
            raise self._again("not logged in")
        return self._login

    def _counts(self, login: Login) -> bool:
        life = login.life
        return life is None or self._now() < login.got + used_for(life)

    async def _renewed(self, old: Login) -> Login:
        """The login in the place of `old`, by whoever is first."""
        async with self._turn:
            try:
                return await self._renewed_in_turn(old)
            except ConfigurationError as error:
                raise self._again(error.message) from None

    async def _renewed_in_turn(self, old: Login) -> Login:
        descriptor = await self._taken()
        try:
            login = self._current()
            if login.token != old.token and self._counts(login):
                return login
            await self._exchange(login)
            return self._current()
        finally:
            os.close(descriptor)

    async def _taken(self) -> int:
        with anyio.move_on_after(PATIENCE):
            while (descriptor := self._file.take()) is None:  # noqa: ASYNC110 - it is another process that has it
                await anyio.sleep(_AGAIN)
            return descriptor
        problem = f"another server is renewing the login, for {PATIENCE:g} s already"
        raise UpstreamUnavailable(problem, hint="try again later", sent=False)

    async def _exchange(self, login: Login) -> None:
        if not login.refresh:
            raise self._again("the login has expired, and cannot be renewed")
        if login.refresh == self._refused:
            raise self._again("the login does not count any longer")
        try:
            # What is given must be kept, whatever becomes of the call that it is for. `renew` is bounded.
            with anyio.CancelScope(shield=True):
                self._file.write(await self._renew(login))
        except PermissionDenied as error:
            self._refused = login.refresh
            raise self._again(f"the login could not be renewed: {error.message}") from None

    def _again(self, problem: str) -> UpstreamUnavailable:
        hint = f"the operator should run `isthmus login {self._upstream}`"
        return UpstreamUnavailable(problem, hint=hint, sent=False)
