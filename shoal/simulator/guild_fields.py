"""Fields of a guild that are the same for every guild of the simulator."""

from __future__ import annotations

from typing import Any

__all__ = ["GUILD_CONSTANTS"]

GUILD_CONSTANTS: dict[str, Any] = {
    "icon": None,
    "description": None,
    "home_header": None,
    "splash": None,
    "discovery_splash": None,
    "banner": None,
    "application_id": None,
    "region": "us-west",
    "afk_channel_id": None,
    "afk_timeout": 300,
    "system_channel_id": None,
    "system_channel_flags": 0,
    "widget_enabled": False,
    "widget_channel_id": None,
    "verification_level": 0,
    "default_message_notifications": 0,
    "mfa_level": 0,
    "explicit_content_filter": 0,
    "max_presences": None,
    "max_members": 500_000,
    "max_stage_video_channel_users": 50,
    "max_video_channel_users": 25,
    "vanity_url_code": None,
    "premium_tier": 0,
    "premium_subscription_count": 0,
    "rules_channel_id": None,
    "safety_alerts_channel_id": None,
    "public_updates_channel_id": None,
    "hub_type": None,
    "premium_progress_bar_enabled": False,
    "premium_progress_bar_enabled_user_updated_at": None,
    "latest_onboarding_question_id": None,
    "nsfw": False,
    "nsfw_level": 0,
    "owner_configured_content_level": None,
    "incidents_data": None,
    "inventory_settings": None,
    "embed_enabled": False,
    "embed_channel_id": None,
}
