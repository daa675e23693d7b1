"""Who may see and write what."""

from __future__ import annotations

import pytest

from headway.domain.access import Actor, Role
from headway.domain.errors import HeadwayError, NotAllowed

MINE, SHARED = "my project", "a shared project"


def actor(role: Role) -> Actor:
    return Actor(tenant_id="t", user_id="me", role=role, shared_projects=frozenset({SHARED}))


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_owner_and_admin_see_the_whole_tenant(role: Role) -> None:
    assert actor(role).may_see("somebody", "their project")
    assert actor(role).may_see("somebody", None)


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
def test_others_see_their_own_and_what_is_shared_with_them(role: Role) -> None:
    seen = {
        (owner, project): actor(role).may_see(owner, project)
        for owner in ("me", "somebody")
        for project in (None, MINE, SHARED)
    }

    assert seen == {
        ("me", None): True,
        ("me", MINE): True,
        ("me", SHARED): True,
        ("somebody", None): False,
        ("somebody", MINE): False,
        ("somebody", SHARED): True,
    }


def test_a_viewer_only_looks() -> None:
    with pytest.raises(NotAllowed):
        actor(Role.VIEWER).require_write()
    for role in (Role.OWNER, Role.ADMIN, Role.MEMBER):
        actor(role).require_write()


def tree(error: type[HeadwayError]) -> list[type[HeadwayError]]:
    return [error, *(below for child in error.__subclasses__() for below in tree(child))]


def test_every_error_has_a_slug_of_its_own_and_says_what_happened() -> None:
    errors = [error for error in tree(HeadwayError) if error.__module__ == "headway.domain.errors"]

    assert len({error.slug for error in errors}) == len(errors)
    assert all((error.__doc__ or "").endswith(".") for error in errors)
