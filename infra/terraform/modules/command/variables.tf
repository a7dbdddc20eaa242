variable "project_id" {
  description = "The project that it runs in."
  type        = string
}

variable "region" {
  description = "The region that it runs in."
  type        = string
}

variable "name" {
  description = "What it is for; the first argument of the operator's command."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z-]{1,20}[a-z]$", var.name))
    error_message = "A command's name is lower case letters and dashes, 22 characters at most."
  }
}

variable "image" {
  description = "The image of the operator's command. Later ones are put here by scripts/deploy."
  type        = string
}

variable "arguments" {
  description = "The arguments behind the name."
  type        = list(string)
  default     = []
}

variable "environment" {
  description = "Environment variables that are no secrets."
  type        = map(string)
  default     = {}
}

variable "secret_environment" {
  description = "Environment variables that are secrets: the name, and the id of the secret in Secret Manager."
  type        = map(string)
  default     = {}
}

variable "database" {
  description = "The Spanner database that it works on, and as what; null: none."
  type = object({
    instance = string
    name     = string
    role     = string
  })
  default = null
  validation {
    condition = var.database == null ? true : contains(
      ["roles/spanner.databaseReader", "roles/spanner.databaseUser", "roles/spanner.databaseAdmin"], var.database.role
    )
    error_message = "The role is one for a database."
  }
}

variable "network" {
  description = "The network that all that it sends goes through, so that Cloud Run takes it for internal; null: none."
  type = object({
    network    = string
    subnetwork = string
  })
  default = null
}

variable "timeout_seconds" {
  description = "How long a run may take."
  type        = number
  default     = 900
}
