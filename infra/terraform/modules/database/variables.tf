variable "project_id" {
  description = "The project of the instance."
  type        = string
}

variable "instance" {
  description = "The instance's name."
  type        = string
  default     = "tollgate"
}

variable "database" {
  description = "The database's name."
  type        = string
  default     = "tollgate"
}

variable "configuration" {
  description = "Where Spanner keeps its replicas, such as regional-asia-northeast1."
  type        = string
}

variable "min_processing_units" {
  description = "Processing units that are there always; 1000 are a node. From the capacity plan."
  type        = number
  default     = 1000
  validation {
    condition     = var.min_processing_units >= 100 && var.min_processing_units % (var.min_processing_units < 1000 ? 100 : 1000) == 0
    error_message = "min_processing_units is a multiple of 100 below a node, and of 1000 above."
  }
}

variable "max_processing_units" {
  description = "Processing units at most. As many as `min_processing_units`: it does not grow, and is of the smaller edition, without incremental backups."
  type        = number
  default     = 3000
  validation {
    condition = var.max_processing_units == var.min_processing_units || (
      var.min_processing_units >= 1000 && var.max_processing_units > var.min_processing_units && var.max_processing_units <= var.min_processing_units * 10
    )
    error_message = "max_processing_units is min_processing_units, or above it, and ten times that at most; what grows starts at a node, 1000."
  }
}

variable "point_in_time_recovery_hours" {
  description = "How far back the database can be read as it was, and restored from."
  type        = number
  default     = 168
  validation {
    # The recovery point objective is 5 minutes, and somebody has to notice first: over a long weekend.
    condition     = var.point_in_time_recovery_hours >= 72 && var.point_in_time_recovery_hours <= 168
    error_message = "point_in_time_recovery_hours is 72 to 168: a mistake of Friday is found on Monday, and Spanner keeps 7 days at most."
  }
}

variable "backup_retention_days" {
  description = "How long daily backups are kept."
  type        = number
  default     = 30
  validation {
    condition     = var.backup_retention_days >= 7 && var.backup_retention_days <= 366
    error_message = "backup_retention_days is 7 to 366."
  }
}

variable "is_protected" {
  description = "Whether the database refuses to be deleted, by Terraform and by anybody else."
  type        = bool
  default     = true
}
