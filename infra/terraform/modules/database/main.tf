locals {
  grows = var.max_processing_units > var.min_processing_units
}

resource "google_spanner_instance" "this" {
  project      = var.project_id
  name         = var.instance
  display_name = var.instance
  config       = var.configuration
  # Autoscaling and incremental backups need the larger one.
  edition          = local.grows ? "ENTERPRISE" : "STANDARD"
  processing_units = local.grows ? null : var.min_processing_units
  # The schedules below are the only ones.
  default_backup_schedule_type = "NONE"
  # An instance with backups is not deleted.
  force_destroy = false

  dynamic "autoscaling_config" {
    for_each = local.grows ? [true] : []
    content {
      autoscaling_limits {
        min_processing_units = var.min_processing_units
        max_processing_units = var.max_processing_units
      }
      autoscaling_targets {
        # Google's advice for one region: what is left carries the load when a zone is lost.
        high_priority_cpu_utilization_percent = 65
        storage_utilization_percent           = 80
      }
    }
  }
}

# Empty, on purpose: `tollgate migrate` owns the tables, and knows in which order they come.
resource "google_spanner_database" "this" {
  project                  = var.project_id
  instance                 = google_spanner_instance.this.name
  name                     = var.database
  version_retention_period = "${var.point_in_time_recovery_hours}h"
  deletion_protection      = var.is_protected
  enable_drop_protection   = var.is_protected

  lifecycle {
    # `tollgate migrate` changes the tables behind Terraform's back, as it should.
    ignore_changes = [ddl]
  }
}

# 04:00 in Tokyo: after the settlement, before the day. Spanner reads the schedule in UTC.
resource "google_spanner_backup_schedule" "daily" {
  project            = var.project_id
  instance           = google_spanner_instance.this.name
  database           = google_spanner_database.this.name
  name               = "daily"
  retention_duration = "${var.backup_retention_days * 24 * 60 * 60}s"
  spec {
    cron_spec {
      text = "0 19 * * *"
    }
  }
  full_backup_spec {}
}

resource "google_spanner_backup_schedule" "between" {
  count              = local.grows ? 1 : 0
  project            = var.project_id
  instance           = google_spanner_instance.this.name
  database           = google_spanner_database.this.name
  name               = "four-hourly"
  retention_duration = "${7 * 24 * 60 * 60}s"
  spec {
    cron_spec {
      text = "0 */4 * * *"
    }
  }
  incremental_backup_spec {}
}
