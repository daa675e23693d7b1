"""Who asks, and what that lets them see and do. Identity comes from the credential, never from a body."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from headway.domain.errors import NotAllowed


class Role(StrEnum):
    """What a user may do in a tenant."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A signed-in user of one tenant; every service takes one."""

    tenant_id: str
    user_id: str
    role: Role
    email: str | None = None
    access_epoch: int = 0  # grows when what this user may see changes; older feed cursors then resync
    shared_projects: frozenset[str] = frozenset()  # ids of projects of others this user may see

    @property
    def sees_all(self) -> bool:
        """Whether the actor sees everything in the tenant."""
        return self.role in (Role.OWNER, Role.ADMIN)

    def may_see(self, user_id: str, project_id: str | None) -> bool:
        """Whether a thing owned by `user_id` in `project_id` is visible to the actor."""
        return self.sees_all or user_id == self.user_id or (project_id in self.shared_projects)

    def require_write(self) -> None:
        """Raise NotAllowed for those who may only look."""
        if self.role is Role.VIEWER:
            raise NotAllowed
