resource "google_secret_manager_secret" "this" {
  for_each  = var.names
  project   = var.project_id
  secret_id = "tollgate-${each.value}"

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }

  # A version that was destroyed by mistake can be had back for a day. Without SECRETS_KEY merchants' secrets cannot be read any more.
  version_destroy_ttl = "86400s"
  deletion_protection = true
}
